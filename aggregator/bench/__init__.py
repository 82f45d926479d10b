"""`ullage-aggregator bench`: how fast this machine takes readings in and rolls them up, measured with the real programs."""
