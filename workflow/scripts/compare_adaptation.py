"""Compare the trainings that go on from encoders of several tasks."""

from supertickets.adaptation_scores import compare_adaptation
from supertickets.entry import run

if __name__ == "__main__":
    run(compare_adaptation)
