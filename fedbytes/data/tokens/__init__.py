"""From texts to tokens, encoded once and cached."""
