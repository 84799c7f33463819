"""From pictures of the board to camera models."""
