"""How the bundled models are made: examples, network, training and model card."""
