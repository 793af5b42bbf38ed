"""What starts.py compares: functions and equations to learn, and ways to start."""
