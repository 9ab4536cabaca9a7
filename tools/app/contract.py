"""What the API takes and gives."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema

TURNS = {"type": "array", "items": {"type": "object"}}
ONE = {"anyOf": [{"type": "string"}, TURNS, {"type": "object"}]}
EXAMPLE = "Customer: my parcel never came\nAgent: sorry! please DM us the tracking number"


class Refused(Exception):
    """A request that cannot be answered: with one sentence, or with one for each conversation, by
    its number from 0."""

    def __init__(self, status: int, *faults: str | tuple[int, str]):
        self.status = status
        self.faults = [fault for fault in faults if isinstance(fault, tuple)]
        if self.faults:
            number, why = self.faults[0]
            more = f", and {len(self.faults) - 1} others" if len(self.faults) > 1 else ""
            super().__init__(f"conversation {number} {self.verb(why)}{more}")
        else:
            super().__init__(faults[0])

    @staticmethod
    def verb(why: str) -> str:
        return why if why.startswith(("has ", "is ", "holds ")) else f"cannot be read: {why}"


class Asked(BaseModel):
    """Either `conversation` or `conversations`."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"conversation": EXAMPLE}]}
    )
    conversation: Annotated[Any, WithJsonSchema(ONE)] = Field(
        None,
        description="a transcript with a turn a line; a list of turns of `speaker` and `text`; or an"
        " object as a line of the training data, or with `turns` or `conversation`, and `id`",
    )
    conversations: Annotated[Any, WithJsonSchema({"type": "array", "items": ONE})] = Field(
        None, description="several of them"
    )
    base: StrictBool = Field(False, description="the untuned model's summaries, too")

    def values(self, most: int) -> list[str | dict]:
        """The conversations. Raises `Refused` for what cannot be any."""
        if ("conversation" in self.model_fields_set) == ("conversations" in self.model_fields_set):
            raise Refused(422, "the body needs either `conversation` or `conversations`")
        values = self.conversations
        if "conversation" in self.model_fields_set:
            values = [self.conversation]
        if not isinstance(values, list) or not values:
            raise Refused(422, "`conversations` must be a list of one or more")
        if len(values) > most:
            raise Refused(413, f"{len(values)} conversations are more than {most}, send fewer")
        faults = [
            (i, f"is {kind_of(value)}: a text, a list of turns or an object is needed")
            for i, value in enumerate(values)
            if not isinstance(value, str | list | dict)
        ]
        if faults:
            raise Refused(422, *faults)
        return [{"turns": value} if isinstance(value, list) else value for value in values]


def kind_of(value: object) -> str:
    """A JSON value that is no text, list or object, in a sentence."""
    if value is None:
        return "null"
    return "true or false" if isinstance(value, bool) else "a number"


class Span(BaseModel):
    """summary[start:end] has no support in the conversation."""

    start: int
    end: int
    kind: str = Field(description="number, name, word or role, see docs/scores.md")
    text: str


class Summary(BaseModel):
    id: Any = Field(description="the conversation's own, or its place from 1")
    tuned: str
    base: str | None = None
    unsupported: dict[str, list[Span]] | None = Field(
        description="by model; null where data/clean/train.parquet is not there to learn from"
    )
    tokens_cut: int = Field(description="tokens in the middle that the model did not see")


class Answer(BaseModel):
    summaries: list[Summary] = Field(description="in the order of the conversations")
    redacted: dict[str, int] = Field(description="what was, by kind")


class Fault(BaseModel):
    number: int = Field(description="of the conversation, from 0")
    message: str


class Error(BaseModel):
    message: str
    conversations: list[Fault]


class Problem(BaseModel):
    error: Error


class Health(BaseModel):
    state: str = Field(description="loading, ready or failed")
    waiting: int = Field(description="conversations in the queue")
