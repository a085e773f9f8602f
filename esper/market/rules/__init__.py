"""What must hold of Beats and of claims that are settled, one error for each rule."""
