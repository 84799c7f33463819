"""From labelled pictures to a quantised network: dataset, augment, train, quantise, evaluate."""
