// What a channel that is there is told of. Where it leads stays: that would be another channel.
import { Button, Group, Stack } from "@mantine/core";
import { useState } from "react";
import { api, refresh } from "../../api/client";
import { told } from "../../parts/told";
import { EventFields, type ToldOf, toldOfForm } from "./EventFields";
import type { Channel } from "./words";

export function ChannelTold({ channel, onDone }: { channel: Channel; onDone: () => void }) {
  const [toldOf, setToldOf] = useState<ToldOf>({
    events: channel.events,
    all: channel.events.length === 0,
    environment: channel.environment ?? "both",
  });

  async function save() {
    const params = { path: { channel: channel.id } };
    const changed = api.PATCH("/api/alert-channels/{channel}", { params, body: toldOfForm(toldOf) });
    if (await told(changed, "Changed.")) {
      await refresh("/api/alert-channels");
      onDone();
    }
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <Stack>
        <EventFields
          kind={channel.kind}
          toldOf={toldOf}
          onChange={(part) => setToldOf((before) => ({ ...before, ...part }))}
        />
        <Group justify="flex-end">
          <Button type="submit" disabled={!toldOf.all && toldOf.events.length === 0}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
