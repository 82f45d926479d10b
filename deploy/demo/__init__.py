"""The demo: the real programs, composed as an operator would, with a year of simulated usage beside this host."""
