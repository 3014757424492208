"""Who there is: counted once a run, however many clients it has."""
