"""Long proofs of what the station promises, with its real processes: endurance, kills, power cuts."""
