# From the runs' predictions to tables and figures. Nothing here trains.
#
# Needs:  record.json and predictions.parquet of every run of the config
# Makes:  results/scores.parquet, .csv            one row for each run, split and metric
#         results/tables/super_tickets.csv        the ticket chosen for each model, task and size
#         results/figures/phase_transition.pdf, .png
#         results/figures/ticket_kinds.pdf, .png  where the config has more kinds than the winning


localrules:
    aggregate,
    select_tickets,
    phase_transition,
    ticket_kinds,


rule aggregate:
    input:
        get_runs,
    output:
        parquet="results/scores.parquet",
        csv="results/scores.csv",
    log:
        "results/logs/aggregate.log",
    benchmark:
        "results/benchmarks/aggregate.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        grid=canonical_json(get_grid()),
        metrics=canonical_json(get_metrics()),
        code=code("aggregate"),
    shell:
        "python -P -m scripts.aggregate --results results --grid {params.grid:q} --metrics {params.metrics:q}"
        " --parquet {output.parquet:q} --csv {output.csv:q} > {log:q} 2>&1"


rule select_tickets:
    input:
        rules.aggregate.output.parquet,
    output:
        "results/tables/super_tickets.csv",
    log:
        "results/logs/select_tickets.log",
    benchmark:
        "results/benchmarks/select_tickets.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        metrics=canonical_json(get_metrics()),
        code=code("select_tickets"),
    shell:
        "python -P -m scripts.select_tickets --scores {input:q} --metrics {params.metrics:q}"
        " --table {output:q} > {log:q} 2>&1"


rule phase_transition:
    input:
        scores=rules.aggregate.output.parquet,
        tickets=rules.select_tickets.output,
    output:
        pdf=report(
            "results/figures/phase_transition.pdf",
            caption="../report/phase_transition.rst",
            category="Single task",
            labels={"figure": "phase transition"},
        ),
        png="results/figures/phase_transition.png",
    log:
        "results/logs/phase_transition.log",
    benchmark:
        "results/benchmarks/phase_transition.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        code=code("phase_transition"),
    shell:
        "python -P -m scripts.phase_transition --scores {input.scores:q} --tickets {input.tickets:q}"
        " --pdf {output.pdf:q} --png {output.png:q} > {log:q} 2>&1"


rule ticket_kinds:
    input:
        scores=rules.aggregate.output.parquet,
        tickets=rules.select_tickets.output,
    output:
        pdf=report(
            "results/figures/ticket_kinds.pdf",
            caption="../report/ticket_kinds.rst",
            category="Single task",
            labels={"figure": "kinds of tickets"},
        ),
        png="results/figures/ticket_kinds.png",
    log:
        "results/logs/ticket_kinds.log",
    benchmark:
        "results/benchmarks/ticket_kinds.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        code=code("ticket_kinds"),
    shell:
        "python -P -m scripts.ticket_kinds --scores {input.scores:q} --tickets {input.tickets:q}"
        " --pdf {output.pdf:q} --png {output.png:q} > {log:q} 2>&1"
