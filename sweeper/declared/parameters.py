"""Every parameter that a builder knows: its default, its legal values, and when it matters.

The defaults are one known-good configuration for each task; trial 0 is it, with the defaults that its space declares.
`sweeper spaces parameters TASK` prints this table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DeclarationError, unknown
from .domains import Domain, Real, Text, Whole, Words

CLASSIFICATION = ("sentiment", "text")
LABELLING = (*CLASSIFICATION, "tagging")
READING = (*LABELLING, "seq2seq")
EVERY_TASK = (*READING, "generation")


@dataclass(frozen=True)
class Parameter:
    """One documented parameter.

    Args:
        default: its value where a space leaves it out; `defaults` overrides it for a task.
        when: other parameters and the values of theirs with which this one matters.
            Otherwise it is inactive and appears nowhere.
        only: a fact about the data (`DataTraits`) without which it does not matter.
    """

    name: str
    default: Any
    domain: Domain
    about: str
    tasks: tuple[str, ...] = EVERY_TASK
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    only: str = ""

    def default_for(self, task: str) -> Any:
        return self.defaults.get(task, self.default)


YES_NO = Words(("no", "yes"))
SCORE_FUNCTIONS = ("dot", "general", "concat")

SMOOTHING, SMOOTHED = Real(0, 0.5), "share of a true label's probability that training spreads over all labels"
CHARACTER_MODELS, CHARACTERS = (
    Words(("none", "cnn", "rnn")),
    "features of each word's characters and casing, beside its embedding: by filters (cnn) or a recurrent layer (rnn)",
)
PAIRED = "an embedding of each token with the next one (hashed bigrams), beside its own"
LOOKED_UP = ("learned", "pretrained")

TABLE: tuple[Parameter, ...] = (
    # What a token is.
    Parameter(
        "tokens",
        "words",
        Words(("words", "characters")),
        "read words and punctuation, or single characters",
        CLASSIFICATION,
    ),
    Parameter("lowercase", "yes", YES_NO, "lower-case the text first", READING),
    Parameter(
        "max_vocabulary", 20_000, Whole(10, 1_000_000), "most frequent training tokens kept, padding and <unk> included"
    ),
    Parameter(
        "max_length",
        400,
        Whole(1, 100_000),
        "longer texts are cut to their first so many tokens; how many is logged",
        (*CLASSIFICATION, "seq2seq"),
    ),
    # How a token enters.
    Parameter(
        "input",
        "learned",
        Words(("learned", "one_hot", "pretrained")),
        "embedding learned from scratch, one-hot vectors, or pretrained vectors",
        READING,
    ),
    Parameter(
        "input", "learned", Words(("learned", "one_hot")), "embedding learned from scratch, or one-hot", ("generation",)
    ),
    Parameter(
        "characters", "none", CHARACTER_MODELS, CHARACTERS, ("tagging",), when={"input": LOOKED_UP}, only="has_words"
    ),
    Parameter(
        "characters",
        "none",
        CHARACTER_MODELS,
        CHARACTERS,
        CLASSIFICATION,
        when={"tokens": ("words",), "input": LOOKED_UP},
        only="has_words",
    ),
    Parameter(
        "character_units",
        32,
        Whole(1, 512),
        "filters of the cnn, or units of each direction of the rnn",
        LABELLING,
        when={"characters": ("cnn", "rnn")},
    ),
    Parameter("bigrams", "no", YES_NO, PAIRED, ("tagging",), when={"input": LOOKED_UP}, only="single_characters"),
    Parameter("bigrams", "no", YES_NO, PAIRED, CLASSIFICATION, when={"input": LOOKED_UP}),
    Parameter(
        "bigram_units", 32, Whole(1, 512), "width of the bigram embedding", LABELLING, when={"bigrams": ("yes",)}
    ),
    Parameter(
        "bigram_dropout",
        0.5,
        Real(0, 0.95),
        "share of bigrams dropped whole",
        LABELLING,
        when={"bigrams": ("yes",)},
    ),
    Parameter(
        "embedding_units",
        64,
        Whole(1, 2_048),
        "width of a learned embedding",
        when={"input": ("learned",)},
        defaults={"tagging": 100},
    ),
    Parameter(
        "vectors",
        "glove-6b-50d",
        Text("in_domain, a declared dataset of vectors, or a word2vec/GloVe text file; or several, as in 'a + b'"),
        "which pretrained vectors; in_domain: learned in seconds from the training texts themselves; a + b: side by side",
        READING,
        when={"input": ("pretrained",)},
    ),
    Parameter(
        "vectors_training",
        "tuned",
        Words(("frozen", "tuned")),
        "keep pretrained vectors as they are, or train them on",
        READING,
        when={"input": ("pretrained",)},
    ),
    # The recurrent stack.
    Parameter("cell", "lstm", Words(("simple_rnn", "gru", "lstm")), "recurrent cell"),
    Parameter("direction", "both", Words(("forward", "backward", "both")), "reading direction", READING),
    Parameter("depth", 1, Whole(1, 4), "recurrent layers, one on top of another"),
    Parameter(
        "units",
        64,
        Whole(1, 2_048),
        "width of one direction of one layer",
        defaults={"tagging": 100, "generation": 128},
    ),
    Parameter(
        "residual",
        "no",
        YES_NO,
        "add each layer's input to its output, from the second layer on; of seq2seq in the encoder",
        when={"depth": (2, 3, 4)},
    ),
    # From states to an answer.
    Parameter(
        "attention",
        "none",
        Words(("none", *SCORE_FUNCTIONS)),
        "Luong's score function, with the last state (tagging, seq2seq: each state) as the query",
        READING,
        defaults={"seq2seq": "general"},
    ),
    Parameter(
        "attention_units",
        64,
        Whole(1, 2_048),
        "width of the concat score's hidden layer",
        READING,
        when={"attention": ("concat",)},
    ),
    Parameter(
        "pooling",
        "max",
        Words(("last", "max", "mean", "all")),
        "summary of the states where there is no attention; all: the three concatenated",
        CLASSIFICATION,
        when={"attention": ("none",)},
    ),
    Parameter(
        "beside_attention",
        "nothing",
        Words(("nothing", "poolings")),
        "what is concatenated with the attention vector: nothing, or last, max and mean pooling",
        CLASSIFICATION,
        when={"attention": ("dot", "general", "concat")},
    ),
    Parameter(
        "head",
        "ordinal",
        Words(("softmax", "ordinal")),
        "where labels are numbers: separate classes, or ordered ones (ordinal regression)",
        ("sentiment",),
        only="ordered",
    ),
    Parameter(
        "head",
        "softmax",
        Words(("softmax", "crf")),
        "each tag by itself, or all tags of a sentence together (conditional random field)",
        ("tagging",),
    ),
    Parameter(
        "extra",
        "none",
        Words(("none", "ngrams")),
        "added to the recurrent summary: nothing, or a linear classifier over the text's word 1- and 2-grams",
        CLASSIFICATION,
    ),
    Parameter(
        "weighting",
        "tfidf",
        Words(("tfidf", "naive_bayes")),
        "how that classifier weights n-grams: TF-IDF, or naive-Bayes log-count ratios",
        CLASSIFICATION,
        when={"extra": ("ngrams",)},
    ),
    Parameter(
        "fusion",
        "add",
        Words(("add", "concat", "mlp")),
        "how it is fused: its log odds added to the logits (add), concatenated with the summary (concat), or both through a hidden layer (mlp)",
        CLASSIFICATION,
        when={"extra": ("ngrams",)},
    ),
    # From a source to a target.
    Parameter(
        "context",
        "last",
        Words(("last", "projected_last", "projected_all")),
        "what the decoder knows of the source: the encoder's last state, a learned transform of it, or of all states",
        ("seq2seq",),
    ),
    Parameter(
        "decoder",
        "start_token",
        Words(("initial_state", "repeat", "feedback", "start_token")),
        "input of each step: nothing (initial_state), the context (repeat), context and previous symbol (feedback), previous symbol (start_token); the first and the last begin with the context as state",
        ("seq2seq",),
    ),
    Parameter(
        "target_embedding",
        "separate",
        Words(("separate", "shared")),
        "the decoder's embedding: its own, or the encoder's, of the words that both languages have",
        ("seq2seq",),
        when={"decoder": ("feedback", "start_token"), "input": ("learned", "pretrained")},
    ),
    Parameter(
        "fusion",
        "concat",
        Words(("add", "concat", "mlp")),
        "how the attention vector is fused with the decoder's state",
        ("seq2seq",),
        when={"attention": SCORE_FUNCTIONS},
    ),
    Parameter(
        "input_feeding",
        "no",
        YES_NO,
        "feed the attentional state into the next step",
        ("seq2seq",),
        when={"attention": SCORE_FUNCTIONS},
    ),
    Parameter(
        "teacher_forcing",
        "always",
        Words(("always", "linear", "exponential", "inverse_sigmoid")),
        "how often training shows the true symbol before, and not the model's own: always, or ever less (scheduled sampling)",
        ("seq2seq",),
        when={"decoder": ("feedback", "start_token")},
    ),
    Parameter(
        "forcing_decay",
        0.1,
        Real(1e-3, 0.999),
        "d of scheduled sampling: after i epochs the share of true symbols is 1 - d i, (1 - d)^i or 1 / (1 + d e^(d i))",
        ("seq2seq",),
        when={"teacher_forcing": ("linear", "exponential", "inverse_sigmoid")},
    ),
    # From the symbols before to the next one.
    Parameter(
        "condition",
        "every",
        Words(("none", "first", "every")),
        "where the text's label enters: nowhere, at its first step only, or at every step",
        ("generation",),
        only="labelled",
    ),
    Parameter(
        "window",
        64,
        Whole(2, 10_000),
        "steps that a gradient goes back; states go on beyond (truncated back-propagation through time)",
        ("generation",),
    ),
    # Regularisation.
    Parameter(
        "embedding_dropout",
        0.2,
        Real(0, 0.95),
        "share of words dropped whole (word dropout)",
        READING,
        defaults={"tagging": 0.1, "seq2seq": 0.0},
    ),
    Parameter(
        "input_dropout",
        0.0,
        Real(0, 0.95),
        "dropout of the features that enter the first recurrent layer",
        READING,
        when={"input": ("learned", "pretrained")},
    ),
    Parameter(
        "dropout",
        0.4,
        Real(0, 0.95),
        "share of features dropped between recurrent layers and before the head, in seq2seq before attention",
        defaults={"seq2seq": 0.2, "generation": 0.2},
    ),
    Parameter(
        "dropout_masks",
        "steps",
        Words(("steps", "sequence")),
        "whether what is dropped before and between layers is drawn for each step, or once for a whole sequence (variational)",
        CLASSIFICATION,
    ),
    Parameter(
        "dropout_masks",
        "steps",
        Words(("steps", "sequence")),
        "whether what is dropped before, between and after layers is drawn for each step, or once for a whole sequence (variational)",
        ("tagging",),
    ),
    Parameter("label_smoothing", 0.0, SMOOTHING, SMOOTHED, (*CLASSIFICATION, "seq2seq")),
    Parameter("label_smoothing", 0.0, SMOOTHING, SMOOTHED, ("tagging",), when={"head": ("softmax",)}),
    Parameter(
        "recurrent_dropout",
        0.0,
        Real(0, 0.95),
        "share of the recurrent state dropped, the same for a whole sequence; of seq2seq in the encoder",
        READING,
    ),
    Parameter(
        "l2", 0.0, Real(0, 1), "L2 penalty on recurrent and output kernels; of seq2seq on the encoder's", READING
    ),
    # Optimisation.
    Parameter(
        "optimizer",
        "adam",
        Words(("adam", "adamw", "nadam", "rmsprop", "sgd")),
        "optimizer; sgd has Nesterov momentum 0.9",
    ),
    Parameter(
        "learning_rate",
        2e-3,
        Real(1e-7, 10),
        "first learning rate",
        defaults={"tagging": 4e-3, "seq2seq": 4e-3, "generation": 4e-3},
    ),
    Parameter("weight_decay", 0.004, Real(0, 1), "decoupled weight decay", when={"optimizer": ("adamw",)}),
    Parameter(
        "schedule",
        "constant",
        Words(("constant", "linear", "cosine", "exponential")),
        "learning rate over the planned epochs; linear and cosine end at 0, exponential at a tenth",
    ),
    Parameter("warm_up", 0.0, Real(0, 0.9), "share of the planned steps in which the learning rate rises from 0"),
    Parameter(
        "averaging",
        0.0,
        Real(0, 0.99999),
        "score and export an exponential moving average of the weights with this momentum, such as 0.998, lower in the first steps; 0 for none",
    ),
    Parameter(
        "clip_norm",
        1.0,
        Real(1e-3, 1_000),
        "largest norm of the whole gradient, to which a larger one is scaled (Pascanu et al. 2013)",
    ),
    Parameter(
        "batch_size",
        64,
        Whole(1, 4_096),
        "examples per step",
        defaults={"tagging": 32, "seq2seq": 128, "generation": 16},
    ),
    Parameter(
        "precision",
        "float32",
        Words(("float32", "mixed")),
        "arithmetic while training: float32, or for GPUs float16 with float32 weights; exports are float32",
    ),
    Parameter(
        "patience",
        2,
        Whole(1, 100),
        "epochs without a better validation score before a trial stops; an epoch of a small dataset is several passes, 2,000 examples or 400 windows of texts",
    ),
)


@dataclass(frozen=True)
class DataTraits:
    """What a dataset settles about parameters, beyond its task.

    Args:
        ordered: labels are numbers in an order (stars).
        labelled: texts have labels.
        has_words: words have several characters; see `Meta`.
    """

    ordered: bool = False
    labelled: bool = False
    has_words: bool = False

    @property
    def single_characters(self) -> bool:
        return not self.has_words

    def allow(self, parameter: Parameter) -> bool:
        """Whether the data give the parameter a meaning."""
        return not parameter.only or bool(getattr(self, parameter.only))


ONLY = {
    "ordered": "labels are numbers",
    "labelled": "texts have labels",
    "has_words": "words have several characters",
    "single_characters": "tokens are single characters",
}


def known(task: str) -> dict[str, Parameter]:
    """The parameters of `task` by name, in the order in which they are listed."""
    return {p.name: p for p in TABLE if task in p.tasks}


def lookup(task: str, name: str) -> Parameter:
    """The parameter `name` of `task`.

    Raises:
        DeclarationError: no builder of this task knows it.
    """
    table = known(task)
    if name not in table:
        raise DeclarationError(unknown(f"parameter of the task {task!r}", name, table))
    return table[name]


def is_active(parameter: Parameter, values: Mapping[str, Any], facts: DataTraits) -> bool:
    """Whether `parameter` matters, given the values of those listed before it."""
    if not facts.allow(parameter):
        return False
    return all(values.get(name) in allowed for name, allowed in parameter.when.items())


def complete(task: str, values: Mapping[str, Any], facts: DataTraits | None = None) -> dict[str, Any]:
    """A whole configuration: `values`, defaults for the rest, inactive parameters left out.

    Raises:
        DeclarationError: an unknown parameter or an illegal value.
    """
    facts = facts or DataTraits()
    for name, value in values.items():
        violation = lookup(task, name).domain.violation(value)
        if violation:
            raise DeclarationError(f"{name}: {violation}")
    whole: dict[str, Any] = {}
    for parameter in known(task).values():
        if is_active(parameter, whole, facts):
            whole[parameter.name] = values.get(parameter.name, parameter.default_for(task))
    return whole


def describe(task: str) -> Iterator[dict[str, Any]]:
    """One row a parameter, for a table."""
    for parameter in known(task).values():
        conditions = [f"{name} = {' | '.join(map(str, allowed))}" for name, allowed in parameter.when.items()]
        when = " and ".join([*conditions, *([ONLY[parameter.only]] if parameter.only else [])])
        yield {
            "parameter": parameter.name,
            "default": parameter.default_for(task),
            "values": str(parameter.domain),
            "when": when,
            "about": parameter.about,
        }
