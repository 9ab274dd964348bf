from cluster.driver.console import progress_text
from cluster.monitoring.status import Progress


def test_progress_line() -> None:
    losses = {"G_AB": 0.2, "G_BA": 0.4, "cycle_A": 1.0, "cycle_B": 3.0, "identity_A": 0.5, "identity_B": 0.5, "D_A": 0.1, "D_B": 0.3}
    text = progress_text(Progress(step=1200, steps=100_000, losses=losses, images_per_second=12.34, wait=0.004, seconds_left=3723))
    assert text == "step 1,200/100,000  G 0.300  cycle 2.000  identity 0.500  D 0.200  12.3 images/s  wait 0.4%  1:02:03 left"
