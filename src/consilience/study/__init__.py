"""One run: declare, run, report, bundle."""
