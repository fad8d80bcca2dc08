"""Echomail tosser for FidoNet-technology networks.

Watches inbound directories, tosses packets into message bases, and publishes what happened over MQTT.
"""

__version__ = "0.1.0"
