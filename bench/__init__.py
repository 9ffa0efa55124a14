"""Speed, measured as ratios within one run. `python -m bench [NAME ...]`; results go to `bench/results/`."""
