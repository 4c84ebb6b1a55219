// An error state: what was wrong, in the API's own words, and what to do.
import { Alert, Button, Code, Group, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Refusal } from "../api/client";

interface Props {
  error: unknown;
  retry?: () => void;
}

export function Failed({ error, retry }: Props) {
  const refusal = error instanceof Refusal ? error : null;
  const words = error instanceof Error ? error.message : String(error);
  return (
    <Alert
      color="red"
      variant="light"
      icon={<IconAlertTriangle />}
      title={refusal?.status === 403 ? "You may not see this" : "This did not work"}
      role="alert"
    >
      <Text size="sm">{words}</Text>
      {refusal?.param && (
        <Text size="sm" mt={4}>
          It is about <Code>{refusal.param}</Code>.
        </Text>
      )}
      {retry && refusal?.status !== 403 && (
        <Group mt="sm">
          <Button size="xs" variant="light" color="red" onClick={retry}>
            Try again
          </Button>
        </Group>
      )}
    </Alert>
  );
}
