"""Whether the station is well: one set of checks for `goatdev doctor`, dashboard, API, metrics and MQTT."""
