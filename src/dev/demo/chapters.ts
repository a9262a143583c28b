/** What the demo tells, in its order: a volume's life on hosts, and then the main job, virtual machines. */
import type { GuestStage } from './guest-stage.js';
import { inHyperdGuest } from './hyperd-guest.js';
import { inKataGuests } from './kata-guests.js';
import { lifeOnHosts } from './life-on-hosts.js';
import type { Scene, Story } from './scene.js';

export interface Chapter {
  readonly title: string;
  /** The first step that does not go as it should throws. */
  readonly play: (story: Story, scene: Scene) => Promise<void>;
}

/** @param stage of the virtual machines; undefined leaves them out */
export function chaptersOf(stage: GuestStage | undefined): readonly Chapter[] {
  const hosts: Chapter = { title: 'a volume of two hosts', play: lifeOnHosts };
  if (stage === undefined) return [hosts];
  return [
    hosts,
    { title: 'virtual machines of Kata: the record alone', play: (...told) => inKataGuests(...told, stage) },
    {
      title: 'a virtual machine of hyperd: the hand-over file alone',
      play: (...told) => inHyperdGuest(...told, stage),
    },
  ];
}
