"""A small world of goats, crates and barns whose pictures come with the exact truth (training extra only)."""
