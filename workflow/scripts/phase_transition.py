"""Draw score against weight remaining."""

from supertickets.phase_transition import draw_phase_transition

from supertickets.entry import run

if __name__ == "__main__":
    run(draw_phase_transition)
