"""The station as it is heard and seen over MQTT: presses in, results, feedback and health out."""
