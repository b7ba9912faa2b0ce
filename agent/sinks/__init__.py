"""Where records go: the archive (which is the truth), the MQTT publisher, the console."""
