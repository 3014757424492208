"""What is printed, and the streams that it is printed to."""
