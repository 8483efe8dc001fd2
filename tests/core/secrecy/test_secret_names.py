from __future__ import annotations

import sysconfig
from pathlib import Path, PurePosixPath

import pytest

from core.secrecy.names import named_like_a_secret

SECRET = """
old.1pif .aider.conf.yml .authinfo .authinfo.gpg .databricks.cfg .Renviron accessKeys.csv rootkey.csv acme.json private.der
appsettings.Production.json connectionStrings.config .confluent/config.json .continue/config.json .cursor/mcp.json
.lego/accounts/x.json .minio/config.json .mutt/muttrc .netlify/config.json .rancher/cli2.json .solana/id.json .stripe/config.toml
.twilio-cli/config.json
.env .env~ .env-prod .env_prod .env.production .env.local .env.bak .env.old .env.swp .env2 .env.2024-01-01 .ENV
prod.env app/.env.staging .envrc .envrc.local .flaskenv .dev.vars .env.js .#.env #.env# .env.save .env(1) .env.gz
server.pem server.key server.p12 server.pfx AuthKey_ABC123.p8 app.jks app.keystore store.bks team.kdbx my.ppk safe.psafe3
login.keychain-db export.1pux prod.ovpn http.keytab vpn.tblk db.password my.secret wallet.dat host.agekey
id_rsa id_rsa.bak id_dsa id_ecdsa id_ecdsa_sk id_ed25519 deploy_rsa github_ed25519 ssh_host_rsa_key identity secring.gpg
terraform.tfstate terraform.tfstate.backup prod.tfvars terraform.tfvars.json x.auto.tfvars .terraformrc credentials.tfrc.json
kubeconfig kubeconfig.yaml prod.kubeconfig my-kubeconfig.yml admin.conf kubelet.conf .dockercfg .dockerconfigjson
credentials credentials.json credentials.csv credentials.yml.enc aws-credentials.txt client_secret.json client_secret_123.apps.json
client_secret_2_4.apps.googleusercontent.com.json service-account.json service_account_prod.json my-service-account.json
app-firebase-adminsdk-x1.json gcp-key.json application_default_credentials.json oauth_creds.json accessTokens.json
msal_token_cache.bin .boto .s3cfg .passwd-s3fs rclone.conf .databrickscfg .sentryclirc
.npmrc .npmrc.bak .yarnrc .pypirc .netrc _netrc .netrc~ .git-credentials .gitcookies .curlrc .htpasswd .htpasswd.old .htdigest
.pgpass pgpass.conf .my.cnf .mylogin.cnf .mongorc.js .dbshell .bash_history .zsh_history .psql_history .python_history fish_history
.histfile ConsoleHost_history.txt .vault-token .vault_pass .vault_pass.txt vault_password vault-password-file .ansible_vault_pass
ansible_vault_password wp-config.php wp-config.php.bak wp-config-prod.php LocalSettings.php configuration.php local_settings.py
settings-security.xml database.yml parameters.yml secrets.yml secrets.yaml.dec secret.yaml db-secret.yaml app-secrets.yaml master.key
secrets.json secrets .secrets .secrets.toml secrets.toml secrets.py local.settings.json passwd shadow shadow- master.passwd sudoers
ntds.dit unattend.xml krb5cc_1000 wg0.conf wg1.conf wireguard-home.conf ipsec.secrets chap-secrets wpa_supplicant.conf
home.nmconnection .msmtprc .muttrc .fetchmailrc .mbsyncrc sasl_passwd .ftpconfig sftp-config.json sftp.json ws_ftp.ini winscp.ini
filezilla.xml sitemanager.xml recentservers.xml logins.json key4.db cookies.sqlite cookies.txt wallet.json UTC--2024-01-01--abc
seed.txt my-seed-phrase.txt mnemonic.txt keystore.properties key.properties auth.json kaggle.json token.json token.pickle token.txt
.token github_token access_token.txt refresh_token oauth_token.json password.txt passwords.csv my-passwords.xlsx db_password.txt
api_key.txt apikey.txt .api_key openai_api_key openai-api-key.txt api-keys.json private_key.txt private-key.json privkey1.txt
secret_key.txt django_secret_key.txt jwt_secret jupyter_cookie_secret deploy_key ngrok.yml profiles.yml credentials.xml
.claude.json keys.txt private.jwk cwallet.sso k3s.yaml talosconfig prod-openrc.sh creds.json aws_creds credential.json secret
password my-project-key.json gha-creds-1a2b.json api_token.txt recovery-codes.txt server.pem.txt id_rsa.b64 traffic.har chrome_passwords.csv bitwarden_export.json 1password-export.csv
.codex/auth.json .claude/.credentials.json .config/gh/hosts.yml .config/glab-cli/config.yml .config/github-copilot/hosts.json
.m2/settings.xml .gradle/gradle.properties .ssh/config .ssh/known_hosts .aws/config .azure/x .kube/config .docker/config.json
.gnupg/x .config/gcloud/x.db .oci/config .config/rclone/rclone.conf .config/solana/id.json .cargo/credentials.toml
.cargo/credentials .config/doctl/config.yaml .fly/config.yml .config/.wrangler/config/default.toml .config/stripe/config.toml
.config/ngrok/ngrok.yml .dbt/profiles.yml .cache/huggingface/token .bundle/config .gem/credentials .gemini/oauth_creds.json
.composer/auth.json .config/containers/auth.json .vnc/passwd .password-store/x.gpg .secrets/x .mozilla/x .terraform.d/credentials.x
run/secrets/db .git/config a/b/.git/x k8s/secrets/db.yaml secrets/db.txt .snowsql/config .config/op/config
""".split()  # noqa: SIM905

SPELLED = [
    "copy of .env", ".env (1)", ".env copy", "\u200b.env", ".e\u200bnv", "．env", ".env ", "id_rsa\u00ad",
    "secrets - backup.json.bak", "Login Data", "größe/.env", 'we"ird/.env', "Chrome Passwords.csv",
]  # fmt: skip

HARMLESS = """
design-tokens.json design.tokens.json templates/password_reset.txt
.env.example .env.sample .env.template .env.dist .env.example.bak prod.env.example credentials.example.json secrets.example.yaml
id_rsa.pub key.pub secrets.sample.json terraform.tfvars.example example.env secrets.schema.json wp-config-sample.php
environment.py env.py envelope.txt keyboard.py keys.py monkey.txt hotkey.json token.py tokenize.py tokenizer.json tokens.py
tokenizer_config.json password.py password_reset.html test_passwords.py secret_santa.md secretary.txt credentials.md auth.py auth.ts
oauth.go oauth_token_test.go cookies.py history.md shadow.css shadows.ts passwd.c config.json config.yaml settings.py settings.json
package.json package-lock.json tsconfig.json README.md Dockerfile docker-compose.yml Makefile .gitignore .dockerignore .editorconfig
.eslintrc .prettierrc .babelrc .github/workflows/ci.yml .vscode/settings.json .claude/settings.json .codex/config.toml CLAUDE.md
api_key.py api_keys_test.go private_key.py docs/secrets/index.md src/secrets/manager.py vault.md deploy.sh keyring.py wallet.py
wallet.tsx identity.py database.py profiles.md hosts.yml hosts admin.py samurai.txt hub.py main.tf variables.tf .terraform.lock.hcl
uv.lock poetry.lock go.sum pyproject.toml setup.cfg mypy.ini tox.ini log.txt notes.md data.csv a.b c.d.e
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", [*SECRET, *SPELLED])
def test_a_file_that_holds_secrets_is_known_by_its_name_or_place(name: str) -> None:
    assert named_like_a_secret(PurePosixPath("project") / name)


@pytest.mark.parametrize("name", HARMLESS)
def test_other_files_are_not_taken_for_secrets(name: str) -> None:
    assert named_like_a_secret(PurePosixPath("project") / name) is None


def test_the_tables_are_long_enough_and_say_nothing_twice() -> None:
    assert len(SECRET) >= 200
    assert len(set(SECRET)) == len(SECRET)


def test_no_file_of_this_repository_and_few_of_python_look_like_secrets_by_name() -> None:
    here = Path(__file__).parents[3]
    ours = [
        path.relative_to(here)
        for room in ("ai", "core", "server", "tools", "tests")
        for path in (here / room).rglob("*.*")
        if path.parent.name != "__pycache__"
    ]
    assert [str(path) for path in ours if named_like_a_secret(path)] == []
    library = Path(sysconfig.get_path("stdlib"))
    names = [path.relative_to(library) for path in library.rglob("*.py") if "site-packages" not in path.parts]
    found = [str(path) for path in names if named_like_a_secret(path)]
    assert len(found) <= len(names) / 500, found
