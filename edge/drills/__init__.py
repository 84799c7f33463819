"""What goes wrong in barns, played on a scratch station: real processes, real files, never the real data.

Each drill is one function: it takes a scratch station, breaks something, and returns in one line what was seen.
"""
