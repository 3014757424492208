"""What audits of membership are made of: scores of texts, and how well they tell members apart."""
