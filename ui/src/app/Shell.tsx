// The frame of all pages for who is signed in: navigation, organization, person, and everything by keyboard.
import {
  ActionIcon,
  AppShell,
  Burger,
  Button,
  Group,
  Image,
  Kbd,
  Menu,
  NavLink,
  ScrollArea,
  Text,
  Tooltip,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { modals } from "@mantine/modals";
import { spotlight } from "@mantine/spotlight";
import {
  IconCheck,
  IconChevronDown,
  IconLogout,
  IconMoon,
  IconSearch,
  IconSun,
  IconUserCircle,
} from "@tabler/icons-react";
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { Suspense } from "react";
import { changeSession, useSession } from "../api/session";
import { told } from "../parts/told";
import { Commands } from "./Commands";
import { GROUPS, PAGES } from "./pages";
import { KeyboardHelp, useShortcuts } from "./shortcuts";

export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  useShortcuts(showKeyboardHelp);
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 248, breakpoint: "md", collapsed: { mobile: !opened } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <a className="skip-link" href="#main">
        Skip to the page
      </a>
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="md" size="sm" aria-label="Navigation" />
            <Group
              component={Link}
              {...({ to: "/", "aria-label": "Gantry" } as object)}
              gap={8}
              wrap="nowrap"
              c="inherit"
              td="none"
            >
              <Image src="/ui/icon.svg" alt="" w={26} h={26} />
              <Text fw={700} size="lg" visibleFrom="xs">
                Gantry
              </Text>
            </Group>
            <OrganizationMenu />
          </Group>
          <Group gap={4} wrap="nowrap">
            <Button
              variant="default"
              size="xs"
              leftSection={<IconSearch size={14} />}
              rightSection={<Kbd size="xs">⌘K</Kbd>}
              onClick={spotlight.open}
              visibleFrom="sm"
            >
              Go to…
            </Button>
            <ActionIcon hiddenFrom="sm" size="lg" aria-label="Go to…" onClick={spotlight.open}>
              <IconSearch size={18} />
            </ActionIcon>
            <ColorSchemeSwitch />
            <PersonMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Pages">
        <Navigation onNavigate={close} />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <Suspense>
          <Outlet />
        </Suspense>
      </AppShell.Main>
      <Commands />
    </AppShell>
  );
}

function Navigation({ onNavigate }: { onNavigate: () => void }) {
  const { pathname } = useLocation();
  return (
    <ScrollArea type="auto" viewportProps={{ tabIndex: 0, role: "group", "aria-label": "Pages" }}>
      {GROUPS.map((group) => (
        <div key={group}>
          <Text size="xs" c="dimmed" fw={600} px="sm" pt="sm" pb={4}>
            {group}
          </Text>
          {PAGES.filter((page) => page.group === group).map(({ path, label, icon: Icon }) => (
            <NavLink
              key={path}
              component={Link}
              to={path}
              label={label}
              leftSection={<Icon size={18} stroke={1.6} />}
              active={pathname.startsWith(path)}
              aria-current={pathname.startsWith(path) ? "page" : undefined}
              onClick={onNavigate}
              py={6}
            />
          ))}
        </div>
      ))}
    </ScrollArea>
  );
}

function OrganizationMenu() {
  const session = useSession();
  const others = session?.organizations ?? [];
  if (others.length < 2) {
    return (
      <Text size="sm" c="dimmed" truncate maw={180} visibleFrom="sm">
        {session?.organization?.name}
      </Text>
    );
  }
  return (
    <Menu>
      <Menu.Target>
        <UnstyledButton aria-label="Organization">
          <Group gap={4} wrap="nowrap">
            <Text size="sm" truncate maw={160}>
              {session?.organization?.name}
            </Text>
            <IconChevronDown size={14} />
          </Group>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {others.map(({ id, name }) => (
          <Menu.Item
            key={id}
            leftSection={<IconCheck size={14} opacity={id === session?.organization?.id ? 1 : 0} />}
            onClick={() => told(changeSession("PATCH", "/api/session", { organization_id: id }))}
          >
            {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function ColorSchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  const label = dark ? "Light colours" : "Dark colours";
  return (
    <Tooltip label={label}>
      <ActionIcon size="lg" aria-label={label} onClick={() => setColorScheme(dark ? "light" : "dark")}>
        {dark ? <IconSun size={18} /> : <IconMoon size={18} />}
      </ActionIcon>
    </Tooltip>
  );
}

function PersonMenu() {
  const session = useSession();
  const navigate = useNavigate();

  async function signOut() {
    await changeSession("DELETE", "/api/session");
    await navigate({ to: "/sign-in" });
  }

  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon size="lg" aria-label="You">
          <IconUserCircle size={20} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session?.person?.name} · {session?.person?.email}
          <br />
          {session?.role} of {session?.organization?.name}
        </Menu.Label>
        <Menu.Item component={Link} to="/settings" leftSection={<IconUserCircle size={14} />}>
          Settings
        </Menu.Item>
        <Menu.Item onClick={showKeyboardHelp} leftSection={<Kbd size="xs">?</Kbd>}>
          Keyboard
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={14} />} onClick={() => told(signOut())}>
          Sign out
        </Menu.Item>
        <Menu.Divider />
        <Menu.Label>Gantry {session?.version}</Menu.Label>
      </Menu.Dropdown>
    </Menu>
  );
}

function showKeyboardHelp() {
  modals.open({ title: "Keyboard", children: <KeyboardHelp /> });
}
