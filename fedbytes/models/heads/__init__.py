"""What turns last hidden states into a loss, an answer and a metric."""
