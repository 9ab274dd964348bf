"""One direction of a generator for many images: by XLA programs where their sizes have one, else one by one."""

from collections.abc import Sequence

from cyclegan.inference.compiled_translator import CompiledTranslator
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.progress import Meter, silent
from cyclegan.inference.translation_plan import Shape, memory_of
from cyclegan.inference.translator import Translator
from cyclegan.ops.convolution import has_gpu
from cyclegan.training.compile_cache import set_up_xla
from preprocess.images.decode import BrokenImage, ImageArray
from ringcycle.user_cache import compile_cache


class BatchTranslator:
    """Translates batches of images of any sizes."""

    def __init__(
        self, trained: GeneratorCheckpoint, direction: str, shapes: Sequence[Shape], memory: int | None = None, meter: Meter = silent
    ) -> None:
        """shapes: see `CompiledTranslator`; a GPU, or memory that would not suffice, needs no programs. memory, meter: see `Translator`.

        Raises UserError as `Translator`, or if the compile cache cannot be trusted.
        """
        cache = compile_cache()
        if shapes:
            set_up_xla(cache)
        self._translate = Translator(trained, direction, memory, meter)
        model, free = trained.model, 0 if has_gpu() else self._translate.free()
        self._programs = {
            shape: CompiledTranslator(self._translate.parameters, model, model.channels_of(direction), shape, cache)
            for shape in shapes
            if memory_of(shape, model) <= free
        }

    def __call__(self, images: Sequence[ImageArray], shape: Shape | None) -> list[ImageArray | BrokenImage]:
        """Translate images, up to a batch of `shape`, each as a `Translator` does; BrokenImage for those that do not fit in memory.

        Images that do not fit `shape` are translated one by one.
        """
        program = self._programs.get(shape) if shape else None
        together = [i for i, image in enumerate(images) if program and program.fits(image)]
        results: dict[int, ImageArray | BrokenImage] = {}
        if program and together:
            results.update(zip(together, program([images[i] for i in together]), strict=True))
        return [results[i] if i in results else self._alone(image) for i, image in enumerate(images)]

    def _alone(self, image: ImageArray) -> ImageArray | BrokenImage:
        try:
            return self._translate(image)
        except BrokenImage as error:
            return error
