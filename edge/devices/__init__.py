"""The tag reader and the scale beside the crate: their lines, what they say, and which capture it belongs to."""
