"""What can be typed after `goatdev`, a module for each topic; edge/cli.py puts them together."""
