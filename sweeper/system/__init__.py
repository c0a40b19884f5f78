"""What files, processes, signals and the machine are asked for; knows nothing of sweeps."""
