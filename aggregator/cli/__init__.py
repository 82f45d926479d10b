"""The aggregator's command line, by noun."""
