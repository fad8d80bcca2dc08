"""What happened, as CloudEvents on an MQTT broker."""
