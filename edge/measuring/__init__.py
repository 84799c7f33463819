"""From outlines to centimetres."""
