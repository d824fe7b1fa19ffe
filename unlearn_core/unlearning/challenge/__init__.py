"""The first seven places of the NeurIPS 2023 machine unlearning challenge."""
