"""One reward, every framework's callable: a module per framework, each importing that framework only when called.

TRL (1.16) needs none. A reward is a TRL reward, logs its components, and stays `None` where it is unscorable:

    trainer = GRPOTrainer(model, reward_funcs=rewards.parse("format_answer+0.0*repetition"), ...)

The dataset needs a column `answer` with the gold.

    module      the framework calls                                     unscorable (`None`) becomes
    verl        `compute_score(data_source, solution_str, ...)`          0.0 and `unscorable` 1.0
    openrlhf    `reward_func(queries, prompts, labels)`                  0.0 and `unscorable` 1.0
    verifiers   `rubric(spec)`; `hooks(spec)` for tasks of version 0.4   0.0 and `unscorable` 1.0; a task: no reward
    lm_eval     `verdicts(resps, docs)`, the filter of `gsm8k_verified`  `[unparseable_gold]`, which matches nothing

Where a framework knows only numbers a NaN would spread through a group's mean, or over its whole metric, and an
exception or a `None` would be logged and read as 0.0. So an unscorable completion gets 0.0 - and so does every member
of its prompt group, for a reward is `None` for all of a group or for none: the group's advantages are 0, as with a
true skip - and the number `unscorable`, averaged by the framework, says how often that happened.
"""
