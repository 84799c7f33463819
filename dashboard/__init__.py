"""The dashboard: pages and HTTP API of one station. It meets the other processes in the database only.

There are no accounts yet: whoever reaches the port may press the button and read every result. The default
host is therefore 127.0.0.1; give `[dashboard] host` another value only on a network that is trusted.
"""

from dashboard.app import create_app

__all__ = ["create_app"]
