"""Table: what encoders of several tasks carry to new domains."""

from supertickets.adaptation_tables import write_domain_adaptation
from supertickets.entry import run

if __name__ == "__main__":
    run(write_domain_adaptation)
