"""One configuration, start to score; what is shown of it, and how trials are compared with each other and with baselines."""
