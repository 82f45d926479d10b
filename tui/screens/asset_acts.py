"""The keys by which people decide about assets, the same on every screen that shows some."""

from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType

from tui.dialogs.choose import Choice, ChooseDialog
from tui.format import clean
from tui.screens import asset_decisions as decisions
from tui.screens.asset_pattern import condition_for
from tui.screens.asset_search import asset_label
from tui.screens.listing import ListScreen
from tui.screens.live import LiveScreen
from ullage.v1 import inventory_pb2

Asset = inventory_pb2.Asset


class AssetKeys(LiveScreen):
    """Acts on ``chosen_assets``, each in one call however many there are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "assign", "Assign"),
        Binding("b", "bind", "Bind"),
        Binding("A", "acknowledge", "Ack"),
        Binding("d", "disregard", "Disregard"),
        Binding("B", "unbind", "End bindings by hand", show=False),
        Binding("D", "describe", "Describe", show=False),
        Binding("x", "enable", "Disable, enable", show=False),
        Binding("m", "merge", "Merge into another", show=False),
        Binding("M", "move", "Move to another client", show=False),
        Binding("L", "release", "Give back to rules", show=False),
        Binding("exclamation_mark", "suppress", "Suppress", key_display="!", show=False),
    ]
    NEEDS: ClassVar[dict[str, str]] = {
        "assign": "Inventory/AssignAssets",
        "bind": "Inventory/BindAssets",
        "acknowledge": "Inventory/AcknowledgeAssets",
        "disregard": "Inventory/DisregardAssets",
        "unbind": "Inventory/UnbindAssets",
        "describe": "Inventory/DescribeAssets",
        "enable": "Inventory/SetAssetsEnabled",
        "merge": "Inventory/MergeAssets",
        "move": "Inventory/AssignAssets",
        "release": "Inventory/ReleaseAssets",
        "suppress": "Inventory/CreateSuppression",
    }

    def chosen_assets(self) -> Sequence[Asset]:
        """What an act is for; where there is none, says so."""
        raise NotImplementedError

    def same_machine(self) -> Sequence[Asset]:
        """Assets that the chosen one is likely to be merged with."""
        return ()

    def _actable(self, *, active: bool = True) -> Sequence[Asset]:
        """The chosen ones; none where the aggregator would refuse, and says why: ``active``, for one out of use."""
        assets = self.chosen_assets()
        if len(assets) > decisions.ASSETS_PER_ACT_MAX:
            self.say(f"At most {decisions.ASSETS_PER_ACT_MAX:,} assets at once; {len(assets):,} are marked.")
            return ()
        for asset in assets:
            who = f"{clean(asset.name, 40)} (asset {asset.id})"
            if asset.merged_into:
                self.say(f"{who} was merged into asset {asset.merged_into}; act on that one instead.")
                return ()
            if active and asset.disregarded:
                self.say(f"{who} is disregarded; d restores it first.")
                return ()
            if active and not asset.enabled:
                self.say(f"{who} is disabled; x enables it first.")
                return ()
        return assets

    def action_assign(self) -> None:
        """To a client, from a time on."""
        if assets := self._actable():
            self.fill(decisions.assign(self.desk, assets))

    def action_move(self) -> None:
        """To another client from a time on."""
        if assets := self._actable():
            self.fill(decisions.move(self.desk, assets))

    def action_release(self) -> None:
        """Back to assignment rules."""
        if assets := self._actable():
            self.perform(decisions.release(self.desk, assets))

    def action_bind(self) -> None:
        """To a bucket, by hand."""
        if assets := self._actable():
            self.fill(decisions.bind(self.desk, assets))

    def action_unbind(self) -> None:
        """Ends what was bound by hand."""
        if assets := self._actable():
            self.perform(decisions.unbind(self.desk, assets))

    def action_acknowledge(self) -> None:
        """Not new any more; where none is new, new again."""
        if assets := self._actable(active=False):
            self.perform(decisions.acknowledge(self.desk, assets))

    def action_describe(self) -> None:
        """In one's own words."""
        if assets := self._actable(active=False):
            self.fill(decisions.describe(self.desk, assets))

    def action_disregard(self) -> None:
        """Left out of billing; what is already, back in."""
        assets = self._actable(active=False)
        if assets and assets[0].disregarded:
            self.perform(decisions.restore(self.desk, assets))
        elif assets and self._actable():
            self.fill(decisions.disregard(self.desk, assets))

    def action_enable(self) -> None:
        """Disables; where the first one is disabled, enables."""
        assets = self._actable(active=False)
        if any(asset.disregarded for asset in assets):
            self._actable()
        elif assets:
            self.perform(decisions.set_enabled(self.desk, assets, enabled=not assets[0].enabled))

    def action_suppress(self) -> None:
        """Keeps such assets out from their next batch on."""
        if assets := self._actable(active=False):
            from tui.screens.suppress import suppression_form

            field, kind, pattern = condition_for(assets)
            # They stay in the lists for what is stored of them.
            then = "; d disregards what is stored already"
            self.fill(suppression_form(self.desk, field=field, kind=kind, pattern=pattern, then=then))

    @work(group="merge")
    async def action_merge(self) -> None:
        """One into another that is looked for, or of two the one that shall not stay into the other."""
        assets = self._actable()
        if len(assets) == 1:
            self.fill(decisions.merge_into(self.desk, assets[0], self.same_machine()))
        elif len(assets) > 2:
            self.say(f"Two assets become one at a time; {len(assets):,} are marked.")
        elif assets:
            await self._merge_two(*sorted(assets, key=lambda asset: asset.id))

    async def _merge_two(self, one: Asset, other: Asset) -> None:
        if one.source_type != other.source_type:
            self.say(
                f"{clean(one.name, 40)} is a {one.source_type}, {clean(other.name, 40)} a {other.source_type}: "
                "only assets of one source type can be merged."
            )
            return
        choices = [
            Choice(str(asset.id), asset_label(asset), key) for asset, key in ((one, "1"), (other, "2"))
        ]
        stays = await self.app.push_screen_wait(ChooseDialog("Which one stays?", choices))
        if stays is not None:
            gone, into = (other, one) if stays == str(one.id) else (one, other)
            self.perform(decisions.merge(self.desk, gone, into))


class AssetActs(AssetKeys, ListScreen):
    """A list of assets with all that can be done with them: the marked ones, else the one under the cursor."""

    def chosen_assets(self) -> Sequence[Asset]:
        """The rows of the list."""
        return self.chosen()
