import numpy as np
import pytest
import torch

from mgaplib import metrics, models
from mgaplib.models import open_clip
from mgaplib.training import TrainConfig, measure, parameter_groups, save_checkpoint, train
from mgaplib.training.swapping import SwappedLoss
from mgaplib.worlds import shapeworld

TINY = {"width": 16, "image_size": 16, "layers": 1, "embed_dim": 16}
WORLD = shapeworld.draw(96, size=16)
QUICK = {"steps": 4, "batch_size": 32, "warmup": 1, "record_every": 2}


def fit(seed=0, data=WORLD, loss=None, groups=None, **options):
    model = models.mini_clip(**TINY, seed=seed)
    return model, train(model, data, TrainConfig(**(QUICK | options)), loss=loss, groups=groups)


def weights(model):
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()])


def test_the_same_run_twice_gives_the_same_weights_and_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    (a, first), (b, second) = fit(), fit()
    assert torch.equal(weights(a), weights(b)) and first.records == second.records
    assert not torch.equal(weights(a), weights(fit(seed=1)[0]))
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_the_plain_loop_of_open_clip():
    model = models.mini_clip(**TINY)
    pixels, tokens = WORLD.to_torch(models.wrap(model)).tensors
    config = TrainConfig(steps=5, batch_size=32, warmup=2, clip_norm=1e9, lr=1e-3)
    groups = parameter_groups(model, config)
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), eps=1e-6, fused=True)
    loss = open_clip.ClipLoss()
    for step in range(5):
        rate = 1e-3 * ((step + 1) / 2 if step < 2 else 0.5 * (1 + np.cos(np.pi * (step - 2) / 3)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        order = np.random.default_rng([0, step // 3]).permutation(96)[step % 3 * 32 :][:32]
        optimizer.zero_grad()
        loss(*model(pixels[order], tokens[order])).backward()
        optimizer.step()
        model.logit_scale.data.clamp_(0, np.log(100))
    ours = models.mini_clip(**TINY)
    train(ours, WORLD, config)
    torch.testing.assert_close(weights(ours), weights(model))
    assert (weights(ours) - weights(models.mini_clip(**TINY))).abs().mean() > 1e-3


def test_a_caller_is_told_of_every_step_and_can_end_the_run():
    told = []

    def on_step(done, loss):
        told.append((done, loss))
        return done == 3

    model = models.mini_clip(**TINY)
    history = train(model, WORLD, TrainConfig(**QUICK | {"steps": 9}), on_step=on_step)
    assert [done for done, _ in told] == [1, 2, 3] and history["step"].tolist() == [0, 2, 3]
    assert history.final["loss"] == told[-1][1]


def test_training_lowers_the_loss_and_finds_the_partners():
    _, history = fit(steps=150, lr=3e-3, record_every=150)
    start, end = history.records
    assert end["loss"] < 0.7 * start["loss"] and end["image_to_text"] > 5 * start["image_to_text"]
    assert history.pairs_per_second * max(history.seconds, 1e-9) == pytest.approx(150 * 32)
    assert history.pool == 96


def test_records_are_the_librarys_metrics_of_the_snapshots():
    model = models.mini_clip(**TINY)
    other = shapeworld.draw(40, size=16, split="val")
    config = TrainConfig(**QUICK, snapshots=[3], record_at=[1])
    history = train(model, WORLD, config, validation=other)
    assert history["step"].tolist() == [0, 1, 2, 3, 4]
    images, texts = history.snapshots[3]
    assert images.shape == texts.shape == (40, 16)
    assert history["gap"][3] == pytest.approx(metrics.modality_gap(images, texts))
    assert history.records[3].items() >= measure(images, texts).items()
    wrapped = models.wrap(model)
    final = measure(wrapped.encode_images(other.images), wrapped.encode_texts(other.captions))
    assert history.final["gap"] == pytest.approx(final["gap"], abs=1e-6)
    with pytest.raises(ValueError, match="did you mean 'gap'"):
        history["gab"]


def test_a_temperature_is_learned_fixed_or_scheduled():
    assert fit(steps=10, lr=1e-2)[1].final["tau"] != pytest.approx(0.07, abs=1e-4)
    assert fit(temperature="fixed", tau=0.3)[1]["tau"] == pytest.approx([0.3] * 3)
    taus = fit(temperature=lambda progress: 0.1 * (1 + progress), record_every=1)[1]["tau"]
    assert taus == pytest.approx([0.1, 0.1, 0.125, 0.15, 0.175])


def test_a_fixed_temperature_is_learnable_again_afterwards():
    model, _ = fit(temperature="fixed")
    assert model.logit_scale.requires_grad


def test_the_learned_temperature_is_clamped_at_a_hundredth():
    def sharper(images, texts, scale):
        return -scale.log() * 100 + 0 * (images.sum() + texts.sum())

    _, history = fit(tau=0.0101, loss=sharper, lr=0.1, steps=5)
    assert history.final["tau"] == pytest.approx(0.01)


def test_another_loss_and_other_groups_take_part():
    seen = []

    def loss(images, texts, scale):
        seen.append(images.shape)
        return open_clip.ClipLoss()(images, texts, scale)

    def frozen(model, config):
        return [{**group, "lr": 0.0, "weight_decay": 0.0} for group in parameter_groups(model, config)]

    model, _ = fit(loss=loss, groups=frozen)
    assert seen == [(32, 16)] * 5  # four steps, and the record before the first
    assert torch.equal(weights(model), weights(models.mini_clip(**TINY)))


def test_any_map_style_dataset_will_do():
    pairs = WORLD.to_torch(models.wrap(models.mini_clip(**TINY)))

    class Listed(torch.utils.data.Dataset):
        def __len__(self):
            return len(pairs)

        def __getitem__(self, i):
            return pairs[i]

    assert torch.equal(weights(fit(data=Listed())[0]), weights(fit()[0]))


def test_a_run_resumed_is_the_run_uninterrupted(tmp_path):
    path, config = tmp_path / "run.pt", TrainConfig(**QUICK)
    whole = models.mini_clip(**TINY)
    expected = train(whole, WORLD, config)

    class Stop(Exception):
        pass

    def stopping(images, texts, scale, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 5:  # the record at 0, then three steps
            raise Stop
        return open_clip.ClipLoss()(images, texts, scale)

    model = models.mini_clip(**TINY)
    with pytest.raises(Stop):
        train(model, WORLD, config, checkpoint=path, checkpoint_every=2, loss=stopping)
    again = models.mini_clip(**TINY, seed=9)
    history = train(again, WORLD, config, checkpoint=path, resume=True)
    assert torch.equal(weights(again), weights(whole))
    assert history.records == expected.records


def test_a_resumed_run_swaps_on_the_steps_that_it_would_have(tmp_path):
    path, config = tmp_path / "run.pt", TrainConfig(**QUICK)

    def loss():
        return SwappedLoss(open_clip.ClipLoss(), p=0.5, seed=3)

    whole, model, again = models.mini_clip(**TINY), models.mini_clip(**TINY), models.mini_clip(**TINY, seed=9)
    train(whole, WORLD, config, loss=loss())
    train(model, WORLD, config, checkpoint=path, loss=loss(), on_step=lambda done, _: done == 2)
    train(again, WORLD, config, checkpoint=path, resume=True, loss=loss())
    assert torch.equal(weights(again), weights(whole))
    train(other := models.mini_clip(**TINY), WORLD, config)
    assert not torch.equal(weights(other), weights(whole))  # the swaps make a difference


def test_checkpoints_are_open_clips_and_ours(tmp_path):
    model = models.mini_clip(**TINY)
    train(model, WORLD, TrainConfig(**QUICK), checkpoint=tmp_path / "folder/run.pt")
    checkpoint = torch.load(tmp_path / "folder/run.pt", weights_only=True)
    assert {"epoch", "name", "state_dict", "optimizer"} <= set(checkpoint)
    assert checkpoint["epoch"] == 1 and checkpoint["step"] == 4
    other = models.mini_clip(**TINY, seed=1)
    open_clip.load_checkpoint(other, str(tmp_path / "folder/run.pt"))
    assert torch.equal(weights(other), weights(model))
    read = models.load_clip(str(tmp_path / "folder/run.pt"))
    assert torch.equal(weights(read.model), weights(model))
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["run.pt"]


def test_weights_alone_cannot_be_resumed(tmp_path):
    model = models.mini_clip(**TINY)
    save_checkpoint(tmp_path / "weights.pt", model, step=0)
    with pytest.raises(ValueError, match="holds no optimiser state"):
        train(model, WORLD, TrainConfig(**QUICK), checkpoint=tmp_path / "weights.pt", resume=True)


def test_a_loss_that_is_not_finite_stops_the_run():
    model = models.mini_clip(**TINY)
    pairs = WORLD.to_torch(models.wrap(model))
    pairs.tensors[0][50] = torch.nan
    with pytest.raises(FloatingPointError, match="are nan at step [0-2] .*lower lr"):
        train(model, pairs, TrainConfig(**QUICK), validation=WORLD)


def test_embeddings_that_are_not_finite_stop_the_run():
    def spoiling(images, texts, scale):
        return open_clip.ClipLoss()(images, texts, scale) + 0 * (images.sum() * 1e38 * 10).sqrt()

    with pytest.raises(FloatingPointError, match="are nan at step"):
        fit(loss=spoiling, clip_norm=1e9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": -1}, "positive number"),
        ({"tau": 0.005}, "clamped at 1/100"),
        ({"temperature": "learnt"}, "did you mean 'learned'"),
        ({"steps": 0}, "steps is 0"),
        ({"batch_size": 1}, "at least 2 pairs"),
        ({"lr": 0}, "lr is 0"),
        ({"clip_norm": 0}, "clip_norm is 0"),
    ],
)
def test_impossible_configurations_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**options)


def test_a_scheduled_temperature_is_checked_at_every_step():
    with pytest.raises(ValueError, match="positive number"):
        fit(temperature=lambda progress: 0.1 - progress)


def test_too_few_pairs_are_refused():
    with pytest.raises(ValueError, match="96 pairs, fewer than one batch of 128"):
        fit(batch_size=128)
