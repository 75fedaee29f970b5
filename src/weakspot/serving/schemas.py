"""What the API answers, as its OpenAPI document describes it."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from weakspot.errors import WeakspotError

# What to do about what a status says, where nobody has said more.
_HINTS = {
    400: "Send multipart/form-data with a field image, as curl -F image=@photo.jpg does.",
    404: "See /openapi.json for what there is.",
    405: "See /openapi.json for what there is.",
    408: "Send it faster; --timeout of weakspot serve sets the limit.",
    413: "Send fewer or smaller images; --max-upload-mb of weakspot serve sets the limit.",
    500: "The service's own log says more.",
}
# When to ask again, in seconds.
_RETRY_AFTER = {429: "1", 503: "1"}


class ErrorText(BaseModel):
    """What is wrong, and what to do about it."""

    problem: str = Field(examples=["The image is empty (0 bytes)."])
    hint: str = Field(examples=["Copy the image again."])


class ErrorAnswer(BaseModel):
    """Why a request, or an image, got no localization."""

    error: ErrorText


class LocalizationAnswer(BaseModel):
    """Where a class is in an image: what ``Localization.to_json`` gives."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "image": "cat.jpg",
                "width": 451,
                "height": 300,
                "class_index": 285,
                "label": "Egyptian cat",
                "score": 0.429379,
                "method": "gradcam",
                "threshold": 0.4,
                "box": [34.45, 14.58, 372.7, 277.08],
                "boxes": [[34.45, 14.58, 372.7, 277.08]],
                "notes": [],
            }
        }
    )

    image: str | None = Field(description="Name of the file, as the client gave it.")
    width: int = Field(description="Of the upright image, in pixels.")
    height: int
    class_index: int
    label: str
    score: float = Field(ge=0, le=1, description="Probability of the class.")
    method: str
    threshold: float = Field(gt=0, le=1, description="Fraction of the heatmap's peak at which boxes are cut.")
    uncertainty: float | None = Field(None, ge=0, le=1, description="Uncertainty of the box, if requested.")
    box: list[float] | None = Field(description="Of the largest region: x1, y1, x2, y2 in the image's own pixels.")
    boxes: list[list[float]] = Field(description="Of all regions that were asked for, the largest first.")
    box_scores: list[float] | None = Field(None, description="One for each box, where several may be.")
    notes: list[str]
    others: list["LocalizationAnswer"] | None = Field(None, description="Further classes that were asked for.")
    heatmap_png: str | None = Field(
        None,
        description="If asked for: the heatmap in base64, a grey PNG of the model's input size, white at the peak.",
    )


class SeveralAnswers(BaseModel):
    """One for each image of a request with several, in their order."""

    results: list[LocalizationAnswer | ErrorAnswer]


class ModelAnswer(BaseModel):
    """A model that is served."""

    name: str
    method: str = Field(description="The method that is taken where a request names none.")
    quality: str
    threshold: float
    backend: str = Field(description="torch or onnx.")
    input_height: int
    input_width: int
    classes: list[str] = Field(description="Names of the classes, by index.")


class ModelsAnswer(BaseModel):
    """All models that are served: one."""

    models: list[ModelAnswer]
    version: str = Field(description="Of weakspot.")


class MethodAnswer(BaseModel):
    """A method that a request may name."""

    name: str
    threshold: float = Field(description="Where its heatmaps are cut if a request does not say.")


class MethodsAnswer(BaseModel):
    """The methods that fit the model and need one forward pass, the model's own first."""

    methods: list[MethodAnswer]


class StateAnswer(BaseModel):
    """Whether the service lives, or takes requests."""

    status: str = Field(examples=["ok"])


@dataclass(frozen=True)
class Problem:
    """Why a request is refused.

    Attributes:
        status: Of HTTP.
        problem: What is wrong.
        hint: What to do about it.
    """

    status: int
    problem: str
    hint: str

    @classmethod
    def of(cls, error: HTTPException) -> "Problem":
        """What an error of the framework says."""
        text = str(error.detail).rstrip(".") + "."
        return cls(error.status_code, text, _HINTS.get(error.status_code, "See /openapi.json."))


def error_body(error: WeakspotError) -> dict[str, Any]:
    """An error as the API gives it."""
    return {"error": {"problem": error.problem, "hint": error.hint}}


def problem_answer(problem: Problem) -> JSONResponse:
    """Answer a request that is refused."""
    headers = {}
    if problem.status in _RETRY_AFTER:
        headers["Retry-After"] = _RETRY_AFTER[problem.status]
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="weakspot: the token as password", charset="UTF-8"'
    body = {"error": {"problem": problem.problem, "hint": problem.hint}}
    return JSONResponse(body, problem.status, headers)
