import { Button } from "@mantine/core";
import { IconMapOff } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Nothing } from "../parts/Nothing";

export function Missing() {
  return (
    <Nothing icon={IconMapOff} title="There is no such page">
      It may have moved.{" "}
      <Button component={Link} to="/" variant="light" mt="md">
        Go to the beginning
      </Button>
    </Nothing>
  );
}
