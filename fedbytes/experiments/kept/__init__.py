"""What a run keeps of its model: written at its end, exported, and asked to predict."""
