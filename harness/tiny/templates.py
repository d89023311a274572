"""The problem shapes of the embedded family: text with slots, ranges of the given numbers, and the steps that solve it.

Reading a row: `{A}`, `{B}` are names, `{x}` is a kind of object, `{a}`, `{b}` ... are the given numbers. A step is an
expression over given numbers, constants and earlier results `r1`, `r2` ...; the last step is the answer. Ranges are
`low-high` (both included) or a choice `10|20|50`. A draw whose steps leave the whole numbers 1..60 is drawn again.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """One problem shape; `numbers` maps a slot to its range, `steps` are solved in order."""

    name: str
    text: str
    numbers: str
    steps: str

    @property
    def step_count(self) -> int:
        return self.steps.count(";") + 1


def _rows(table: str) -> tuple[Template, ...]:
    """Parses `name | numbers | steps` lines, each followed by the line of its text."""
    lines = [line.strip() for line in table.strip().splitlines() if line.strip()]
    heads, texts = lines[::2], lines[1::2]
    rows = []
    for head, text in zip(heads, texts, strict=True):
        name, numbers, steps = (part.strip() for part in head.split(" : "))
        rows.append(Template(name, text, numbers, steps))
    return tuple(rows)


SEEN = _rows(
    """
    boxes_given : a=2-9 b=2-10 c=2-9 : a*b; r1-c
    {A} has {a} boxes with {b} {x} each. {A} gives {c} {x} to {B}. How many {x} does {A} have left?

    boxes_found : a=2-9 b=2-10 c=2-9 : a*b; r1+c
    {A} has {a} boxes with {b} {x} each. Then {A} finds {c} more {x}. How many {x} does {A} have now?

    more_than_total : a=3-25 b=2-9 : a+b; a+r1
    {A} has {a} {x}. {B} has {b} more {x} than {A}. How many {x} do they have together?

    fewer_than_total : a=10-30 b=2-9 : a-b; a+r1
    {A} has {a} {x}. {B} has {b} fewer {x} than {A}. How many {x} do they have together?

    twice_total : a=3-30 : 2*a; a+r1
    {A} has {a} {x}. {B} has twice as many {x} as {A}. How many {x} do they have together?

    half_total : a=4-60 : a/2; a+r1
    {A} sold {a} {x} in April. In May {A} sold half as many {x}. How many {x} did {A} sell in April and May?

    double_then_give : a=3-30 b=2-9 : 2*a; r1-b
    {A} has {a} {x}. {A} doubles the number of {x} and then gives {b} {x} to {B}. How many {x} does {A} have left?

    lose_half_find : a=4-60 b=2-9 : a/2; r1+b
    {A} has {a} {x}. {A} loses half of the {x} and then finds {b} {x}. How many {x} does {A} have now?

    percent_left : a=10-60 p=10|20|25|50 : a*p/100; a-r1
    {A} has {a} {x}. {A} sells {p} percent of the {x}. How many {x} does {A} have left?

    percent_more : a=10-60 p=10|20|25|50 : a*p/100; a+r1
    Last week {A} made {a} {x}. This week {A} made {p} percent more. How many {x} did {A} make this week?

    price_change : a=2-9 b=2-10 c=20|30|40|50|60 : a*b; c-r1
    {A} buys {a} {x} for {b} dollars each. {A} pays with {c} dollars. How many dollars does {A} get back?

    two_prices : a=2-8 b=2-9 c=2-6 d=2-9 : a*b; c*d; r1+r2
    {A} buys {a} {x} for {b} dollars each and {c} {y} for {d} dollars each. How many dollars does {A} pay?

    share_equally : a=2-9 b=2-10 c=2-8 : a*b; r1/c
    {A} has {a} bags with {b} {x} each. {A} shares the {x} equally with {c} children. How many {x} does each child get?

    add_then_share : a=4-40 b=2-9 c=2-8 : a+b; r1/c
    {A} has {a} {x} and {B} has {b} {x}. They put the {x} into {c} equal boxes. How many {x} are in each box?

    eat_per_day : a=2-6 b=2-7 c=20-60 : a*b; c-r1
    {A} has {c} {x}. {A} eats {a} {x} every day. How many {x} are left after {b} days?

    save_per_week : a=3-12 b=2-8 c=2-9 : a*b; r1-c
    {A} saves {a} dollars every week. After {b} weeks {A} spends {c} dollars. How many dollars does {A} have left?

    week_of_work : a=2-6 b=2-9 : 7*a; r1+b
    {A} makes {a} {x} every day for a week. On Sunday {A} makes {b} more. How many {x} does {A} make in the week?

    rows_and_extra : a=2-9 b=2-10 c=2-9 : a*b; r1+c; 2*r2
    A field has {a} rows with {b} trees each and {c} more trees. Next year there will be twice as many. \
How many trees will there be next year?

    give_to_two : a=30-60 b=2-9 c=2-9 : a-b; r1-c
    {A} has {a} {x}. {A} gives {b} {x} to {B} and {c} {x} to {C}. How many {x} does {A} have left?

    give_twice : a=30-60 b=2-9 : 2*b; b+r1; a-r2
    {A} has {a} {x}. {A} gives {b} {x} to {B} and twice as many to {C}. How many {x} does {A} have left?

    three_people_more : a=3-20 b=2-10 c=2-10 : a+b; r1+c; a+r1; r3+r2
    {A} has {a} {x}. {B} has {b} more than {A}. {C} has {c} more than {B}. How many {x} do they have together?

    three_people_less : a=12-40 b=2-10 : a-b; 2*r1; a+r2
    {A} has {a} {x}. {B} has {b} fewer than {A}. {C} has twice as many as {B}. \
How many {x} do {A} and {C} have together?

    half_then_half : a=8-60 : a/2; r1/2; r1+r2
    {A} sold {a} {x} on Monday, half as many on Tuesday and half of that on Friday. \
How many {x} did {A} sell on Tuesday and Friday?

    boxes_half_sold : a=2-9 b=2-10 : a*b; r1/2
    {A} has {a} boxes with {b} {x} each. {A} sells half of the {x}. How many {x} does {A} have left?

    boxes_percent : a=2-10 b=2-10 p=10|20|25|50 : a*b; r1*p/100; r1-r2
    {A} has {a} boxes with {b} {x} each. {A} sells {p} percent of the {x}. How many {x} does {A} have left?

    earn_and_spend : a=2-10 b=2-8 c=2-9 d=2-9 : a*b; r1+c; r2-d
    {A} works {a} hours for {b} dollars an hour. {A} gets {c} dollars more from {B} and spends {d} dollars. \
How many dollars does {A} have left?

    profit : a=2-9 b=5-10 c=2-4 : a*b; a*c; r1-r2
    {A} buys {a} {x} for {c} dollars each and sells each for {b} dollars. How many dollars does {A} earn?

    bus_stops : a=15-60 b=2-9 c=2-9 d=2-9 : a-b; r1+c; r2-d
    A bus has {a} people. At the first stop {b} people leave and {c} people get on. At the next stop {d} people leave. \
How many people are on the bus now?

    class_groups : a=8-25 b=8-25 c=2-8 : a+b; r1/c; r2-1
    A class has {a} boys and {b} girls. They make {c} equal groups with one child as leader. \
How many children in each group are not the leader?

    reading : a=2-9 b=2-7 c=40-60 : a*b; c-r1; r2/2
    {A} reads {a} pages every day for {b} days. The book has {c} pages. {A} reads half of the rest on Sunday. \
How many pages does {A} read on Sunday?

    broken_eggs : a=2-8 b=2-9 : 12*a; r1-b
    {A} buys {a} dozen eggs. On the way home {b} eggs break. How many eggs are left?

    minutes : a=2-8 b=2-9 c=2-9 : a*b; r1+c
    {A} runs {a} laps in {b} minutes each and then rests for {c} minutes. How many minutes does it take?

    age_later : a=4-30 b=2-9 c=2-9 : a+b; r1+c
    {A} is {a} years old. {B} is {b} years older than {A}. How old will {B} be in {c} years?

    age_twice : a=4-30 b=2-9 : 2*a; r1+b
    {A} is {a} years old. {B} is twice as old as {A}. How old will {B} be in {b} years?

    bags_of_two : a=2-6 b=2-9 c=2-6 d=2-9 e=2-9 : a*b; c*d; r1+r2; r3-e
    {A} has {a} bags with {b} {x} each. {B} has {c} bags with {d} {x} each. They eat {e} {x}. \
How many {x} do they have left together?

    shop_day : a=10-60 b=2-9 c=2-4 d=2-9 : a-b; c*d; r1+r2
    A shop has {a} {x}. It sells {b} {x} in the morning. Then {A} brings {c} boxes with {d} {x} each. \
How many {x} does the shop have now?

    shop_two_days : a=30-60 b=2-9 c=2-10 : b+c; b+r1; a-r2
    A shop has {a} {x}. On Monday it sells {b} {x} and on Tuesday {c} more than on Monday. How many {x} are left?

    discount : a=2-6 b=2-9 c=2-8 : a*b; r1-c; r2/2
    {A} buys {a} {x} for {b} dollars each and gets {c} dollars off. {A} and {B} pay half each. \
How many dollars does {A} pay?

    garden_days : a=2-6 b=2-5 c=2-5 d=2-10 : a*b; r1*c; r2-d
    A garden has {a} rows with {b} plants each. Every plant gives {c} {x}. {A} eats {d} {x}. How many {x} are left?

    long_trade : a=10-40 b=2-10 c=2-10 d=2-8 : a+b; r1-c; 2*r2; r3-d
    {A} has {a} {x} and finds {b} more. {A} gives {c} {x} to {B}. Then {A} doubles the number of {x} and loses {d}. \
How many {x} does {A} have now?

    long_week : a=2-6 b=2-10 c=2-9 d=2-4 : 7*a; r1+b; r2-c; r3/d; 2*r4
    {A} makes {a} {x} every day for a week and finds {b} more. {A} eats {c} and puts the rest into {d} equal boxes. \
How many {x} are in two boxes?

    long_shop : a=2-6 b=2-8 c=2-9 d=2-9 : a*b; r1/2; r2+c; 2*r3; r4-d
    A shop has {a} boxes with {b} {x} each. It sells half of the {x} and gets {c} more. \
Next week it has twice as many and sells {d}. How many {x} are left?
    """
)

UNSEEN = _rows(
    """
    unseen_bags_lost : a=2-9 b=2-10 c=2-9 : a*b; r1-c
    {B} buys {a} bags with {b} {x} each. On the way home {B} loses {c} {x}. How many {x} are left?

    unseen_twice_found : a=3-30 b=2-9 : 2*a; r1+b
    {A} has {a} {x}. {B} has twice as many {x} as {A} and then finds {b} more. How many {x} does {B} have now?

    unseen_pay_half : a=2-9 b=2-10 : a*b; r1/2
    {A} buys {a} {x} for {b} dollars each. {A} and {B} pay half each. How many dollars does {B} pay?

    unseen_weeks_gift : a=3-12 b=2-8 c=2-9 d=2-9 : a*b; r1+c; r2-d
    {A} saves {a} dollars every week for {b} weeks. {A} gets {c} dollars from {B} and spends {d} dollars. \
How many dollars does {A} have now?

    unseen_percent_given : a=10-60 p=10|20|25|50 b=2-8 : a*p/100; a-r1; r2-b
    A shop has {a} {x}. It sells {p} percent of the {x} and gives {b} {x} to {A}. How many {x} are left?

    unseen_fewer_double : a=12-40 b=2-10 : a-b; 2*r1
    {A} made {a} {x} on Monday. On Tuesday {A} made {b} fewer and on Friday twice as many as on Tuesday. \
How many {x} did {A} make on Friday?

    unseen_rows_sold : a=2-9 b=2-10 c=2-9 : a*b; r1+c; r2-b
    A field has {a} rows with {b} plants each and {c} more plants. {A} sells one row. How many plants are left?

    unseen_groups : a=8-40 b=2-9 c=2-8 : a-b; r1/c
    A class has {a} children. On Friday {b} children are at home. The rest make {c} equal groups. \
How many children are in each group?
    """
)

NAMES = (
    "Tom",
    "Anna",
    "Ben",
    "Mia",
    "Sam",
    "Lily",
    "Max",
    "Emma",
    "Leo",
    "Nina",
    "Paul",
    "Sara",
    "Jack",
    "Rosa",
    "Omar",
)
OBJECTS = (
    *("apples", "books", "cards", "coins", "cookies", "eggs", "flowers", "hats", "kites"),
    *("lemons", "marbles", "oranges", "pears", "pens", "plums", "shells", "stamps", "toys"),
)
DISTRACTORS = (
    "{D} is {z} years old.",
    "There are {z} chairs at home.",
    "{D} has {z} {w}.",
    "The bus takes {z} minutes.",
)
