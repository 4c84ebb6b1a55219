// The dialog of a load balance group. What it says goes into the draft; the API judges it when that is saved.
import { ActionIcon, Button, Modal, NumberInput, Group as Row, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { $api } from "../../api/client";
import { percent } from "../../parts/words";
import { ModelInput } from "./ModelInput";
import styles from "./routing.module.css";
import { AFFINITIES, choices, type Group, type Member, replaced, STRATEGIES, shares, without } from "./rules";

interface Props {
  opened: boolean;
  group: Group | null;
  /** Ids of the other groups. */
  taken: readonly string[];
  onKeep: (group: Group) => void;
  onClose: () => void;
}

const ID = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/;
const BLANK: Group = { id: "", members: [{ model: "", weight: 1 }] };

export function GroupEditor(props: Props) {
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={props.group ? `Change the group ${props.group.id}` : "Add a group"}
      size="xl"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {props.opened && <Form {...props} />}
    </Modal>
  );
}

function Form({ group, taken, onKeep, onClose }: Props) {
  const [draft, setDraft] = useState<Group>(group ?? BLANK);
  const change = (part: Partial<Group>) => setDraft((before) => ({ ...before, ...part }));
  const { id, members } = draft;
  const fault = taken.includes(id)
    ? "Another group has this id"
    : id && !ID.test(id)
      ? "Up to 64 letters, digits, _ . : and -, the first a letter or a digit"
      : undefined;
  const drained = members.every(({ weight = 1 }) => weight === 0);
  const ready = id && !fault && members.length > 0 && members.every(({ model }) => model.trim()) && !drained;
  const parts = shares(members);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) {
          onKeep({ ...draft, members: members.map((member) => ({ ...member, model: member.model.trim() })) });
        }
      }}
    >
      <Stack>
        <Row grow align="flex-start" preventGrowOverflow={false}>
          <TextInput
            label="Id"
            description={group ? "It stays: callers name it" : "What callers name"}
            placeholder="fast"
            required
            disabled={group !== null}
            data-autofocus
            value={id}
            error={fault}
            onChange={(event) => change({ id: event.currentTarget.value })}
          />
          <TextInput
            label="Name"
            description="For lists; may stay empty"
            value={draft.name ?? ""}
            onChange={(event) => change({ name: event.currentTarget.value })}
          />
        </Row>
        <Select
          label="Who takes a call"
          data={choices(STRATEGIES)}
          allowDeselect={false}
          value={draft.strategy ?? "weighted"}
          onChange={(strategy) => change({ strategy: strategy as Group["strategy"] })}
        />
        <Select
          label="Whether conversations stay"
          data={choices(AFFINITIES)}
          allowDeselect={false}
          value={draft.affinity ?? "auto"}
          onChange={(affinity) => change({ affinity: affinity as Group["affinity"] })}
        />
        <Text size="sm" fw={500}>
          Members
        </Text>
        <Stack gap="xs" role="list" aria-label="Members">
          {members.map((member, place) => (
            <MemberRow
              key={place}
              member={member}
              number={place + 1}
              share={parts[place] ?? 0}
              onChange={(changed) => change({ members: replaced(members, place, changed) })}
              onRemove={members.length > 1 ? () => change({ members: without(members, place) }) : null}
            />
          ))}
        </Stack>
        {drained && (
          <Text size="sm" className="worse">
            Every member has weight 0: nobody is left to be called.
          </Text>
        )}
        <Row justify="space-between">
          <Button
            variant="default"
            leftSection={<IconPlus size={16} />}
            onClick={() => change({ members: [...members, { model: "", weight: 1 }] })}
          >
            Another member
          </Button>
          <Row gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" disabled={!ready}>
              Put it into the draft
            </Button>
          </Row>
        </Row>
      </Stack>
    </form>
  );
}

interface RowProps {
  member: Member;
  number: number;
  share: number;
  onChange: (member: Member) => void;
  onRemove: (() => void) | null;
}

function MemberRow({ member, number, share, onChange, onRemove }: RowProps) {
  const credentials = useCredentials(member);
  return (
    <Row role="listitem" className={styles.row} gap="xs" align="flex-end">
      <ModelInput
        label={`Model ${number}`}
        flex="1 1 220px"
        required
        value={member.model}
        onChange={(model) => onChange({ ...member, model })}
      />
      <Select
        label={`Credential ${number}`}
        flex="1 1 150px"
        placeholder="any of its provider"
        clearable
        data={credentials}
        value={member.credential ?? null}
        onChange={(credential) => onChange({ ...member, credential: credential ?? undefined })}
      />
      <NumberInput
        label={`Weight ${number}`}
        w={96}
        min={0}
        max={1_000_000}
        value={member.weight ?? 1}
        onChange={(weight) => onChange({ ...member, weight: Number(weight) || 0 })}
      />
      <Text size="sm" w={48} ta="right" pb={8} className="numeric">
        {percent(share, 0)}
      </Text>
      <ActionIcon aria-label={`Take member ${number} out`} mb={4} disabled={!onRemove} onClick={() => onRemove?.()}>
        <IconX size={16} />
      </ActionIcon>
    </Row>
  );
}

/** The names of the credentials that a member's provider has; of all, with their providers, while that is not known. */
function useCredentials({ model, credential }: Member): string[] {
  const providers = $api.useQuery("get", "/api/providers/catalogue");
  const credentials = $api.useQuery("get", "/api/credentials");
  const prefix = model.split("/", 1)[0];
  const provider = model.includes("/") && providers.data?.find((one) => one.prefix === prefix)?.provider_id;
  const names = (credentials.data ?? [])
    .filter(({ provider_id }) => !provider || provider_id === provider)
    .map(({ provider_id, name }) => (provider ? name : `${provider_id}/${name}`));
  return [...new Set(credential ? [credential, ...names] : names)];
}
