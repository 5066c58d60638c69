"""Draw score against weight remaining."""

from supertickets.entry import run
from supertickets.phase_transition import draw_phase_transition

if __name__ == "__main__":
    run(draw_phase_transition)
