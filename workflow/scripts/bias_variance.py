"""Draw bias and variance of the loss."""

from supertickets.bias_variance import draw_bias_variance
from supertickets.entry import run

if __name__ == "__main__":
    run(draw_bias_variance)
