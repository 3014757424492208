"""The states after a model's constant layers, which are the same in every round."""
